import type { Reference } from "@varve/oci";
import type { RegistryClient, RegistryClientOptions } from "./client.ts";
import { HttpRepository } from "./repository.ts";
import { DEFAULT_RETRY_POLICY } from "./retry.ts";
import { RegistrySession } from "./session.ts";
import { createTransport, DEFAULT_TIMEOUTS, type Transport } from "./transport.ts";

/** Creates a {@link RegistryClient}. Nothing is contacted, and undici not loaded, before the first request. */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  return new HttpRegistryClient(options);
}

class HttpRegistryClient implements RegistryClient {
  readonly #options: RegistryClientOptions;
  readonly #transport: Transport;
  readonly #sessions = new Map<string, RegistrySession>();
  /** One object a repository, so that copies to one target at the same time find each other. */
  readonly #repositories = new Map<string, HttpRepository>();

  constructor(options: RegistryClientOptions) {
    this.#options = options;
    this.#transport = createTransport(options.env ?? process.env, { ...DEFAULT_TIMEOUTS, ...options.timeouts });
  }

  repository(reference: Pick<Reference, "registry" | "repository">): HttpRepository {
    const { registry, repository } = reference;
    const key = `${registry}/${repository}`;
    const known = this.#repositories.get(key);
    if (known !== undefined) return known;
    const created = new HttpRepository(this.#session(registry), repository);
    this.#repositories.set(key, created);
    return created;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }

  #session(registry: string): RegistrySession {
    const known = this.#sessions.get(registry);
    if (known !== undefined) return known;
    const { insecureRegistries, credentials, onSecret, userAgent, retry } = this.#options;
    const session = new RegistrySession({
      registry,
      transport: this.#transport,
      retry: { ...DEFAULT_RETRY_POLICY, ...retry },
      insecureRegistries: insecureRegistries ?? [],
      credentials,
      onSecret,
      userAgent: userAgent ?? "varve",
    });
    this.#sessions.set(registry, session);
    return session;
  }
}
