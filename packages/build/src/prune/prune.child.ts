// Builds images for ever, each read back whole; started by prune.long.test.ts. Arguments: HOME CONTEXT TAG
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openImage } from "@varve/image";
import { openStore } from "@varve/store";
import { build } from "../build.ts";

const [home = "", context = "", tag = ""] = process.argv.slice(2);
for (let round = 0; ; round++) {
  // some layers are those of others, some of an earlier round, some new
  await writeFile(join(context, "file"), round % 3 === 0 ? `shared ${round % 6}` : `${tag} ${round % 5 === 0 ? "again" : String(Math.random())}`);
  const { descriptor } = await build({ context, dockerfile: "FROM scratch\nCOPY file /\nCOPY file /copy\n", home, tags: [tag] });
  await using store = await openStore({ root: home });
  const image = await openImage(store, descriptor);
  for (const layer of image.layers) for await (const _ of await layer.open()) continue;
  process.stdout.write("built\n");
}
