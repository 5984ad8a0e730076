export { type DockerRegistry, type DockerRegistryAuth, startDockerRegistry } from "./docker-registry.ts";
export { type Fault, type FaultProxy, firstTimes, type SeenRequest, startFaultProxy } from "./fault-proxy.ts";
export { createMemoryStore } from "./memory-store.ts";
export {
  blobOf,
  createServedSpace,
  createTestFolder,
  pushImage,
  QUICK,
  randomBlob,
  randomImage,
  readAll,
  type ServedSpace,
  type TestBlob,
  type TestFolder,
  type TestImage,
} from "./served-space.ts";
