import { describeBlobStore } from "./blob-store-contract.ts";
import { createMemoryStore } from "./memory-store.ts";

describeBlobStore("memory", async () => ({ store: createMemoryStore(), dispose: async () => {} }));
