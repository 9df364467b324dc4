/** Runs one check and prints how it went; a program with a failed check exits with 1. */
export async function promise(text: string, body: () => unknown): Promise<void> {
  try {
    await body();
    console.log(`ok – ${text}`);
  } catch (error) {
    console.log(`not ok – ${text}`);
    console.error(error);
    process.exitCode = 1;
  }
}
