import { isVarveError } from "@varve/errors";
import { createRegistryClient } from "./registry-client.ts";

// prints the code of the error that resolving an image of the registry in argv ends with
const client = createRegistryClient({ retry: { tries: 1 } });
try {
  await client.repository({ registry: process.argv[2] ?? "", repository: "team/app" }).resolve("v1");
} catch (error) {
  console.log(isVarveError(error) ? error.code : String(error));
}
await client[Symbol.asyncDispose]();
