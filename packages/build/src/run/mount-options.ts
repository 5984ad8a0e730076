import { posix } from "node:path";
import type { PlannedMount, VertexID } from "@varve/plan";

/** Who owns what a mount shows, and how it may be used. */
interface Ownership {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A RUN mount as typed data; what it reads is not looked at yet. `target` is absolute and clean. */
export type MountOptions =
  | { readonly type: "bind"; readonly target: string; readonly from: VertexID | undefined; readonly source: string; readonly readonly: boolean }
  | ({
      readonly type: "cache";
      readonly target: string;
      readonly from: VertexID | undefined;
      readonly source: string;
      readonly id: string;
      readonly sharing: "shared" | "private" | "locked";
      readonly readonly: boolean;
    } & Ownership)
  | { readonly type: "tmpfs"; readonly target: string; readonly size: number | undefined }
  /** Without `target` the value is only in the environment, under `env`. */
  | ({
      readonly type: "secret";
      readonly target: string | undefined;
      readonly id: string;
      readonly required: boolean;
      readonly env: string | undefined;
    } & Ownership)
  | ({ readonly type: "ssh"; readonly target: string; readonly id: string; readonly required: boolean } & Ownership);

/** Types the fields of one planned mount (fact 41); the plan has checked them. `position` numbers the agents' default targets. */
export function mountOptions(mount: PlannedMount, position: number): MountOptions {
  const { fields, from } = mount;
  const target = fields["target"];
  const required = fields["required"] === "true";
  switch (fields["type"]) {
    case "bind":
      return { type: "bind", target: present(target), from, source: fields["source"] ?? "/", readonly: fields["readonly"] !== "false" };
    case "cache":
      return {
        type: "cache",
        target: present(target),
        from,
        source: fields["source"] ?? "/",
        id: present(fields["id"]),
        sharing: fields["sharing"] === "private" || fields["sharing"] === "locked" ? fields["sharing"] : "shared",
        readonly: fields["readonly"] === "true",
        ...ownership(fields, 0o755),
      };
    case "tmpfs":
      return { type: "tmpfs", target: present(target), size: fields["size"] === undefined ? undefined : bytesOf(fields["size"]) };
    case "secret":
      return { type: "secret", target, id: present(fields["id"]), required, env: fields["env"], ...ownership(fields, 0o400) };
    case "ssh":
      return {
        type: "ssh",
        target: target ?? posix.join("/run/buildkit", `ssh_agent.${position}`),
        id: fields["id"] ?? "default",
        required,
        ...ownership(fields, 0o600),
      };
    default:
      throw new TypeError(`the plan let a mount of type ${String(fields["type"])} pass`);
  }
}

function ownership(fields: PlannedMount["fields"], mode: number): Ownership {
  const given = fields["mode"];
  return { mode: given === undefined ? mode : Number.parseInt(given, 8) & 0o7777, uid: Number(fields["uid"] ?? 0), gid: Number(fields["gid"] ?? 0) };
}

/** `64m`, `1GiB`, `1000`: powers of 1024, as Docker's sizes. */
function bytesOf(text: string): number {
  const [, number = "0", unit = ""] = /^([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)/i.exec(text) ?? [];
  return Math.floor(Number(number) * 1024 ** (unit === "" ? 0 : "kmgtp".indexOf(unit.toLowerCase()) + 1));
}

function present(value: string | undefined): string {
  if (value === undefined) throw new TypeError("the plan left a mount's field out");
  return value;
}
