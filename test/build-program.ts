import { buildProgram } from "../scripts/build.mjs";

/** Builds the program before any test, so that tests of it never run against a stale build. */
export default buildProgram;
