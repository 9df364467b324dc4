// Runs the contract in workerd: `workerd.ts <folder of the bundle's worker.js> <d1 | durable-object>`, in the
// folder of the tools, with the files of SQL as JSON on standard input.
