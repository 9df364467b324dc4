// Keeps the contract on one driver: `main.ts <driver> [address]`. Prints a line of JSON for each promise.
import { keepPromises } from "../contract/index.js";
import { expo } from "./expo.js";
import { libsqlServer, local, type Open } from "./local.js";
import { readMigrations } from "./migrations.js";
import { ownDrivers } from "./own.js";

const [name = "", address = ""] = process.argv.slice(2);
const found = { ...local, "expo-sqlite": expo, ...ownDrivers }[name];
const open: Open | undefined = address ? (statements) => libsqlServer(address, statements) : found;
if (!open) throw new Error(`no driver is called ${name}`);
await keepPromises(readMigrations(), open, (report) => console.log(JSON.stringify(report)));
