import { describeBlobStore } from "@varve/testkit";
import { createServedSpace, QUICK } from "@varve/testkit/registry";
import { createRegistryClient } from "./registry-client.ts";

describeBlobStore("a repository of a registry", async () => {
  const space = await createServedSpace();
  const client = createRegistryClient({ retry: QUICK });
  return {
    store: client.repository({ registry: space.host, repository: "team/app" }),
    async dispose() {
      await client[Symbol.asyncDispose]();
      await space[Symbol.asyncDispose]();
    },
  };
});
