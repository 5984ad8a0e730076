/** Builds the program before any test, so that tests of it never run against a stale build. */
export default async function setup(): Promise<void> {
  const { buildProgram } = (await import("../scripts/build.mjs" as string)) as { buildProgram: () => Promise<void> };
  await buildProgram();
}
