import { createRegistryClient, dockerConfigCredentials, type RegistryClient } from "@varve/registry";
import { readVersion } from "./version.ts";
import type { Session } from "./session.ts";

/** A registry client with docker's credentials, for the length of a command. The caller disposes it. */
export function openRegistries(session: Session, insecure: readonly string[]): RegistryClient {
  return createRegistryClient({
    credentials: dockerConfigCredentials({ env: session.env }),
    insecureRegistries: [...session.insecureRegistries, ...insecure],
    onSecret: (secret) => session.redactor.add(secret),
    userAgent: `varve/${readVersion()}`,
  });
}
