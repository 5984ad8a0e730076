import { writeSync } from "node:fs";
import { readVersion, VERSION_FLAGS } from "./version.ts";

/** Answers what needs no program; says whether it did. What can't be written is left to the program, which knows what to say of it. */
function answersAtOnce([flag = "", ...others]: readonly string[]): boolean {
  if (others.length > 0 || !VERSION_FLAGS.includes(flag)) return false;
  try {
    writeSync(1, `${readVersion()}\n`);
    return true;
  } catch {
    return false;
  }
}

// not imported: what a file imports is loaded before its first line
if (!answersAtOnce(process.argv.slice(2))) void import("./loading.ts");
