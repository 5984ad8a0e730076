import { collectBytes } from "@varve/bytes";
import { type ErrorCode, VarveError } from "@varve/errors";
import { parseRetryAfter, TransientFailure } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

/** Bytes read of an error's body; hardening.md, "Limits". */
const ERROR_LIMIT = 64 * 1024;
/** Lines of a registry's own words that are shown, and characters of each. */
const DETAILS_LIMIT = 5;
const DETAIL_LENGTH = 300;

const PASSING = new Set([408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524]);

/** One entry of the distribution spec's error body. */
export interface RegistryComplaint {
  /** `MANIFEST_UNKNOWN` and the like; empty when the body is not the spec's. */
  readonly code: string;
  readonly message: string;
}

/** Whether a status says that the same request may succeed later. */
export function isPassingStatus(status: number): boolean {
  return PASSING.has(status);
}

/**
 * The error for an answer that is not the one hoped for; reads (at most 64 KiB of) its body. `what` names the operand, e.g.
 * `manifest latest of host/app`. A {@link TransientFailure} where another try may help.
 */
export async function responseError(response: HttpResponse, what: string): Promise<Error> {
  const complaints = await readComplaints(response);
  const { status } = response;
  const details = complaints.slice(0, DETAILS_LIMIT).map(({ code, message }) => clip([code, message].filter((part) => part !== "").join(": ")));
  const { code, clause, hint } = describe(response, complaints);
  const error = new VarveError(code, `${what}: ${clause}`, { hint, details });
  return isPassingStatus(status) ? new TransientFailure(error, parseRetryAfter(response.header("retry-after"), Date.now())) : error;
}

interface Description {
  readonly code: ErrorCode;
  readonly clause: string;
  readonly hint?: string | undefined;
}

function describe(response: HttpResponse, complaints: readonly RegistryComplaint[]): Description {
  const { status, url } = response;
  const says = (code: string): boolean => complaints.some((complaint) => complaint.code === code);
  if (status === 401) {
    return {
      code: "REGISTRY_UNAUTHORIZED",
      clause: `${url.host} refused the credentials`,
      hint: "the name may not exist there, or this account may not use it",
    };
  }
  if (status === 403) return { code: "REGISTRY_DENIED", clause: `${url.host} does not allow it`, hint: "is this account allowed to use the repository?" };
  if (status === 404 && says("NAME_UNKNOWN"))
    return { code: "REGISTRY_NOT_FOUND", clause: `${url.host} has no such repository`, hint: "check the name's spelling" };
  if (status === 404 && says("MANIFEST_UNKNOWN"))
    return { code: "REGISTRY_NOT_FOUND", clause: `${url.host} has no such image`, hint: "check the name and the tag" };
  if (status === 404) return { code: "REGISTRY_NOT_FOUND", clause: `not found on ${url.host}`, hint: "check the name, the tag and the registry" };
  if (status === 429 || says("TOOMANYREQUESTS")) {
    return {
      code: "REGISTRY_RATE_LIMITED",
      clause: `${url.host} asks for fewer requests`,
      hint: "wait a while; most registries allow more to accounts that are logged in",
    };
  }
  if (isPassingStatus(status)) return { code: "REGISTRY_UNAVAILABLE", clause: `${url.host} cannot serve it now (HTTP ${status})`, hint: "try again later" };
  if (status === 413)
    return { code: "REGISTRY_REFUSED", clause: `${url.host} takes no body of this size (HTTP 413)`, hint: "a proxy before the registry may limit uploads" };
  if (status >= 400) return { code: "REGISTRY_REFUSED", clause: `${url.host} refused it (HTTP ${status})` };
  return { code: "REGISTRY_PROTOCOL", clause: `${url.host} answered with an unexpected HTTP ${status}` };
}

async function readComplaints(response: HttpResponse): Promise<readonly RegistryComplaint[]> {
  let text: string;
  try {
    const bytes = await collectBytes(response.body, ERROR_LIMIT, () => new Error("too long"));
    text = new TextDecoder().decode(bytes);
  } catch {
    return [];
  }
  return parseComplaints(text, response.header("content-type") ?? "");
}

/** The spec's `{"errors":[…]}`, or a plain text's first line. */
function parseComplaints(text: string, contentType: string): readonly RegistryComplaint[] {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null) return [];
    if ("errors" in body && Array.isArray(body.errors)) return body.errors.map(parseComplaint).filter((each) => each.code !== "" || each.message !== "");
    // token servers: {"details": "…"}, {"error_description": "…"}, {"message": "…"}
    for (const [, value] of Object.entries(body).filter(([key]) => ["details", "error_description", "message", "error"].includes(key))) {
      if (typeof value === "string") return [{ code: "", message: value }];
    }
    return [];
  } catch {
    const line = contentType.startsWith("text/plain") ? (text.split("\n", 1)[0] ?? "") : "";
    return line.trim() === "" ? [] : [{ code: "", message: line.trim() }];
  }
}

function parseComplaint(entry: unknown): RegistryComplaint {
  if (typeof entry !== "object" || entry === null) return { code: "", message: "" };
  const code = "code" in entry && typeof entry.code === "string" ? entry.code : "";
  const message = "message" in entry && typeof entry.message === "string" ? entry.message : "";
  return { code, message };
}

/** A registry's words go to a terminal: no control characters. */
function clip(text: string): string {
  const plain = text.replaceAll(/\p{Cc}+/gu, " ");
  return plain.length > DETAIL_LENGTH ? `${plain.slice(0, DETAIL_LENGTH)}…` : plain;
}
