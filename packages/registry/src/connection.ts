import { Agent, type AgentOptions, type ClientRequest } from "node:http";
import { isIPv6, type LookupFunction, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { openTunnel } from "./proxy-tunnel.ts";

/** How connections are made. */
export interface ConnectionOptions {
  /** TLS. */
  readonly secure: boolean;
  /** `false` accepts any certificate. */
  readonly verify: boolean;
  readonly lookup?: LookupFunction | undefined;
  /** A proxy that is asked for a tunnel to where TLS is spoken. */
  readonly tunnel?: URL | undefined;
  /** Milliseconds until a proxy must have made a tunnel. */
  readonly timeout: number;
}

/** Milliseconds a connection may rest: servers close them after five seconds and more. */
const IDLE = 4000;

/** Creates an agent that keeps connections for further requests. TLS is loaded when it is spoken. */
export async function createAgent({ secure, verify, lookup, tunnel, timeout }: ConnectionOptions): Promise<Agent> {
  const options: AgentOptions = { keepAlive: true, ...(lookup === undefined ? {} : { lookup }) };
  if (!secure) return resting(new Agent(options));
  const [https, tls] = await Promise.all([import("node:https"), import("node:tls")]);
  const agent = resting(new https.Agent({ ...options, rejectUnauthorized: verify }));
  if (tunnel === undefined) return agent;
  return Object.assign(agent, {
    createConnection(target: TunnelTarget, callback: (error: Error | null, socket?: Duplex) => void): void {
      const { host = "", port = 443 } = target;
      openTunnel({ proxy: tunnel, target: `${isIPv6(host) ? `[${host}]` : host}:${port}`, timeout }).then(
        (socket) => callback(null, tls.connect({ ...target, socket, ALPNProtocols: ["http/1.1"] })),
        (error: unknown) => callback(error as Error),
      );
    },
  });
}

/** What Node gives of the far end. */
interface TunnelTarget {
  readonly host?: string;
  readonly port?: number;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** An idle connection is closed before its server would do so under a request. */
function resting<A extends Agent>(agent: A): A {
  const rest = (socket: Socket): boolean => {
    socket.setKeepAlive(true, 1000);
    socket.unref();
    socket.setTimeout(IDLE);
    return true;
  };
  const wake = (socket: Socket, request: ClientRequest): void => {
    request.reusedSocket = true;
    socket.ref();
    socket.setTimeout(0);
  };
  return Object.assign(agent, { keepSocketAlive: rest, reuseSocket: wake });
}
