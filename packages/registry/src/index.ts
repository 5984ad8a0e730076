export type { CredentialSource, Credentials, RegistryClient, RegistryClientOptions, RemoteRepository } from "./client.ts";
