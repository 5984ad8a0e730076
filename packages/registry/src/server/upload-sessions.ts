import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { BlobWriter, Digest } from "@varve/oci";
import type { RegistryStore } from "./registry-store.ts";

/** Milliseconds after which an upload that nobody continues is given up. */
const IDLE_LIMIT = 15 * 60 * 1000;

/** An upload that was begun. One request at a time works on it. */
export interface UploadSession {
  readonly id: string;
  readonly repository: string;
  /** Bytes so far. */
  readonly offset: number;
  /** Appends a request's body; what arrived before a connection broke stays. */
  append(body: IncomingMessage): Promise<void>;
  /** Makes the blob visible, and ends the session whatever comes of it. */
  commit(digest: Digest): Promise<void>;
  abort(): Promise<void>;
}

/** Uploads in progress, by their ids. */
export interface UploadSessions extends AsyncDisposable {
  begin(repository: string): Promise<UploadSession>;
  /**
   * The session, once the request that works on it, if any, is over; that one is cut off: a client asks again when it has given
   * the connection up, which the server may not know yet.
   */
  take(id: string, repository: string): Promise<UploadSession | undefined>;
}

/** Creates an empty set of uploads into `store`. */
export function createUploadSessions(store: RegistryStore): UploadSessions {
  const sessions = new Map<string, Session>();
  return {
    async begin(repository) {
      const session = new Session(repository, await store.ingest(), (ended) => sessions.delete(ended.id));
      sessions.set(session.id, session);
      return session;
    },
    async take(id, repository) {
      const session = sessions.get(id);
      if (session === undefined || session.repository !== repository) return undefined;
      await session.interrupt();
      return sessions.has(id) ? session : undefined;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...sessions.values()].map((session) => session.abort()));
    },
  };
}

class Session implements UploadSession {
  readonly id: string = randomUUID();
  readonly repository: string;
  readonly #writer: BlobWriter;
  readonly #ended: (session: Session) => void;
  readonly #idle: NodeJS.Timeout;
  #offset = 0;
  #current: { readonly body: IncomingMessage; readonly done: Promise<void> } | undefined;
  #isOpen = true;

  constructor(repository: string, writer: BlobWriter, ended: (session: Session) => void) {
    this.repository = repository;
    this.#writer = writer;
    this.#ended = ended;
    this.#idle = setTimeout(() => void this.abort().catch(() => {}), IDLE_LIMIT).unref();
  }

  get offset(): number {
    return this.#offset;
  }

  async append(body: IncomingMessage): Promise<void> {
    const done = this.#write(body);
    const current = { body, done: done.catch(() => {}) };
    this.#current = current;
    try {
      await done;
    } finally {
      if (this.#current === current) this.#current = undefined;
      this.#idle.refresh();
    }
  }

  async interrupt(): Promise<void> {
    while (this.#current !== undefined) {
      const { body, done } = this.#current;
      body.destroy();
      await done;
    }
  }

  async commit(digest: Digest): Promise<void> {
    this.#end();
    await this.#writer.commit({ digest });
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return;
    this.#end();
    await this.interrupt();
    await this.#writer.abort();
  }

  async #write(body: IncomingMessage): Promise<void> {
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      await this.#writer.write(piece);
      this.#offset += piece.length;
      this.#idle.refresh();
    }
  }

  #end(): void {
    this.#isOpen = false;
    clearTimeout(this.#idle);
    this.#ended(this);
  }
}
