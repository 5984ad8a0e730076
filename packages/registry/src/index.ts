export type { CredentialSource, Credentials, RegistryClient, RegistryClientOptions, RemoteRepository } from "./client.ts";
export { dockerConfigCredentials, type DockerConfigOptions } from "./docker-config.ts";
export type { Environment } from "./proxy.ts";
export { createRegistryClient } from "./registry-client.ts";
export { DEFAULT_TIMEOUTS, type Timeouts } from "./transport.ts";
export { DEFAULT_RETRY_POLICY, type RetryPolicy } from "./retry.ts";
export { type RegistryServer, serveRegistry, type ServeOptions } from "./server/registry-server.ts";
export type { RegistryStore } from "./server/registry-store.ts";
export { isServedName } from "./server/served-refs.ts";
