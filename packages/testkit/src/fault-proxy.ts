import { createServer, type IncomingMessage, request as forwardRequest, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** What is done to a request in place of passing it on. */
export type Fault =
  /** The connection is cut before anything is answered. */
  | { readonly kind: "reset" }
  /** The request is passed on whole, and its answer lost. */
  | { readonly kind: "lose-answer" }
  /** The request's body is cut after so many bytes. */
  | { readonly kind: "cut-request"; readonly after: number }
  /** The answer's body is cut after so many bytes. */
  | { readonly kind: "cut-answer"; readonly after: number }
  /** The answer's body ends early as if it were whole. */
  | { readonly kind: "short-answer"; readonly after: number }
  /** One byte of the answer's body becomes another. */
  | { readonly kind: "flip"; readonly at: number }
  /** Another answer. */
  | { readonly kind: "answer"; readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** The answer, with other headers; `undefined` removes one. */
  | { readonly kind: "headers"; readonly headers: Readonly<Record<string, string | undefined>>; readonly status?: number }
  /** The request is passed on as another. */
  | { readonly kind: "request-headers"; readonly headers: Readonly<Record<string, string | undefined>> }
  /** Nothing is answered, and the connection stays. */
  | { readonly kind: "stall" };

/** A server before a registry that breaks what it is told to, and remembers what it saw. */
export interface FaultProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly seen: readonly SeenRequest[];
  /** Decides the fate of every request from now on; `undefined` passes it on. */
  inject(decide: (request: SeenRequest) => Fault | undefined): void;
  /** Empties {@link seen}. */
  forget(): void;
}

/** Starts a {@link FaultProxy}; without `target` (`host:port`) what is passed on is answered with 404. */
export async function startFaultProxy(target?: string): Promise<FaultProxy> {
  const seen: SeenRequest[] = [];
  let decide: (request: SeenRequest) => Fault | undefined = () => undefined;
  const server = createServer((request, response) => {
    const arrived: SeenRequest = { method: request.method ?? "", path: request.url ?? "", headers: request.headers };
    seen.push(arrived);
    treat(request, response, target, decide(arrived));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    inject(next) {
      decide = next;
    },
    forget() {
      seen.length = 0;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A decision that meets the first `times` requests it matches, and then no more. */
export function firstTimes(times: number, matches: (request: SeenRequest) => boolean, fault: Fault): (request: SeenRequest) => Fault | undefined {
  let left = times;
  return (request) => {
    if (left === 0 || !matches(request)) return undefined;
    left--;
    return fault;
  };
}

function treat(request: IncomingMessage, response: ServerResponse, target: string | undefined, fault: Fault | undefined): void {
  if (fault?.kind === "stall") return;
  if (fault?.kind === "reset") {
    request.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === "answer") {
    request.resume();
    response.writeHead(fault.status, fault.headers).end(fault.body);
    return;
  }
  if (target === undefined) {
    request.resume();
    response.writeHead(404).end();
    return;
  }
  forward(request, response, target, fault);
}

function forward(request: IncomingMessage, response: ServerResponse, target: string, fault: Fault | undefined): void {
  const [host, port] = target.split(":");
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries({ ...request.headers, ...(fault?.kind === "request-headers" ? fault.headers : {}) }))
    if (value !== undefined) headers[name] = value;
  const onward = forwardRequest({ host, port, method: request.method, path: request.url, headers, agent: false });
  onward.on("error", () => request.socket.destroy());
  request.on("error", () => onward.destroy());
  let passed = 0;
  request.on("data", (piece: Buffer) => {
    if (fault?.kind !== "cut-request") {
      if (!onward.write(piece)) {
        request.pause();
        onward.once("drain", () => request.resume());
      }
      return;
    }
    const part = piece.subarray(0, Math.max(0, fault.after - passed));
    passed += part.length;
    request.pause();
    onward.write(part, () => {
      if (passed < fault.after) {
        request.resume();
        return;
      }
      onward.destroy();
      request.socket.resetAndDestroy();
    });
  });
  request.on("end", () => onward.end());
  onward.on("response", (answer) => reply(answer, request, response, fault));
}

function reply(answer: IncomingMessage, request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
  answer.on("error", () => response.destroy());
  if (fault?.kind === "lose-answer") {
    answer.resume();
    answer.on("end", () => request.socket.resetAndDestroy());
    return;
  }
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries({ ...answer.headers, ...(fault?.kind === "headers" ? fault.headers : {}) }))
    if (value !== undefined) headers[name] = value;
  if (fault?.kind === "short-answer") headers["content-length"] = String(fault.after);
  response.writeHead((fault?.kind === "headers" ? fault.status : undefined) ?? answer.statusCode ?? 500, headers);
  let at = 0;
  answer.on("data", (piece: Buffer) => {
    const start = at;
    at += piece.length;
    if (fault?.kind === "cut-answer" || fault?.kind === "short-answer") {
      const part = piece.subarray(0, Math.max(0, fault.after - start));
      if (part.length > 0) response.write(part);
      if (at < fault.after) return;
      answer.destroy();
      if (fault.kind === "short-answer") response.end();
      // what was written goes out before the connection ends
      else response.write("", () => setImmediate(() => request.socket.destroy()));
      return;
    }
    const sent = fault?.kind === "flip" && fault.at >= start && fault.at < at ? Buffer.from(piece) : piece;
    if (sent !== piece && fault?.kind === "flip") sent[fault.at - start] = (sent[fault.at - start] ?? 0) ^ 1;
    if (!response.write(sent)) {
      answer.pause();
      response.once("drain", () => answer.resume());
    }
  });
  answer.on("end", () => response.end());
}
