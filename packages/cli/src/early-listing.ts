import { foreseeListing } from "./foreseen-listing.ts";
import { defaultHome } from "./session.ts";

// Imported before all that is loaded for the program, and begun as it is: `find` works on another core meanwhile.
if (process.argv[2] === "build") {
  const listing = foreseeListing(defaultHome(process.env), process.argv.slice(2));
  process.once("exit", (code) => listing.close(code === 0));
}
