export type { CredentialSource, Credentials, RegistryClient, RegistryClientOptions, RemoteRepository } from "./client.ts";
export { dockerConfigCredentials, type DockerConfigOptions } from "./docker-config.ts";
export type { Environment } from "./proxy.ts";
export { createRegistryClient } from "./registry-client.ts";
export { DEFAULT_RETRY_POLICY, type RetryPolicy } from "./retry.ts";
