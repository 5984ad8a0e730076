import { createRequire } from "node:module";
import { join } from "node:path";
import { startCompiled } from "./compiled-start.ts";

// the helper process: its program lies beside this file, and its argument is the store's folder of what V8 has compiled, if there is one
const path = join(__dirname, "helper-program.cjs");
const [, , folder] = process.argv;
if (folder === undefined) createRequire(path)(path);
else startCompiled({ path, folder, command: "helper", longAfter: Number.POSITIVE_INFINITY });
