import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { Readable } from "node:stream";
import type { ByteStream } from "@varve/bytes";
import type { HttpRequest, HttpResponse, Timeouts } from "./transport.ts";

/** Where a request is sent: to a server, or a proxy that is asked for a whole URL. */
export interface Destination {
  readonly at: URL;
  readonly path: string;
  readonly agent: Agent;
  /** Whether another connection may be made. */
  readonly isOpen: () => boolean;
}

/** What is read of an unwanted body before its connection is given up, in bytes. */
const DISCARD_LIMIT = 64 * 1024;

/** Sends one request; resolves when its answer begins. A kept connection that the server closed meanwhile is replaced once by a new one. */
export async function exchange(request: HttpRequest, to: Destination, timeouts: Timeouts): Promise<HttpResponse> {
  const { request: send } = await (to.at.protocol === "https:" ? import("node:https") : import("node:http"));
  for (let tries = 1; ; tries++) {
    request.signal?.throwIfAborted();
    const sent = send(optionsOf(request, to));
    try {
      return httpResponse(request.url, await answerOf(sent, request.body, timeouts), timeouts.body);
    } catch (error) {
      const isStale = sent.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET";
      const isRepeatable = request.body === undefined || request.body instanceof Uint8Array;
      if (!isStale || !isRepeatable || tries > 1 || !to.isOpen()) throw error;
    }
  }
}

function optionsOf({ method, headers, signal }: HttpRequest, { at, path, agent }: Destination): RequestOptions {
  const host = at.hostname.replace(/^\[|\]$/g, "");
  return { host, port: at.port, method, path, headers: { host: at.host, ...headers }, agent, ...(signal === undefined ? {} : { signal }) };
}

function answerOf(request: ClientRequest, body: HttpRequest["body"], { connect, headers }: Timeouts): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const within = (milliseconds: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => request.destroy(tooLate()), milliseconds);
    };
    const source = body === undefined || body instanceof Uint8Array ? undefined : Readable.from(body, { objectMode: false, highWaterMark: 1024 * 1024 });
    const endBody = (): void => {
      // what was not read to its end frees what it reads from
      if (source !== undefined && !source.destroyed) source.on("error", () => {}).destroy();
    };
    request.once("socket", (socket) => {
      const isSecure = "encrypted" in socket;
      if (request.reusedSocket || !(socket.connecting || isSecure)) return;
      within(connect);
      socket.once(isSecure ? "secureConnect" : "connect", () => (request.writableFinished ? within(headers) : clearTimeout(timer)));
    });
    request.once("finish", () => within(headers));
    request.once("response", (response) => {
      clearTimeout(timer);
      // an answer before the end of what it answers: the rest is not wanted, and nothing else can go over this connection
      source?.unpipe(request);
      endBody();
      response.once("close", () => {
        if (!request.writableFinished) request.destroy();
      });
      resolve(response);
    });
    // stays: what breaks after the answer began is told by its body
    request.on("error", (error) => {
      clearTimeout(timer);
      endBody();
      reject(error);
    });
    source?.once("error", (error) => request.destroy(error));
    if (source === undefined) request.end(body);
    else source.pipe(request);
  });
}

function httpResponse(url: URL, message: IncomingMessage, timeout: number): HttpResponse {
  // a body that is destroyed early says so by an error event, which nobody may be waiting for
  message.on("error", () => {});
  const body = impatient(message, timeout);
  return {
    status: message.statusCode ?? 0,
    url,
    header: (name) => {
      const value = message.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    body,
    discard: async () => {
      try {
        let read = 0;
        // leaving the loop early destroys the message
        for await (const piece of body) if ((read += piece.length) > DISCARD_LIMIT) break;
      } catch {
        message.destroy();
      }
    },
  };
}

/** The pieces of a message, each within its time; a reader may take as long as it likes. */
function impatient(message: IncomingMessage, timeout: number): ByteStream {
  return {
    [Symbol.asyncIterator]() {
      const pieces = message[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
      return {
        async next() {
          const timer = setTimeout(() => message.destroy(tooLate()), timeout);
          try {
            return await pieces.next();
          } finally {
            clearTimeout(timer);
          }
        },
        async return() {
          await pieces.return?.();
          message.destroy();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

function tooLate(): Error {
  return Object.assign(new Error("it does not answer in time"), { code: "ETIMEDOUT" });
}
