import { toBytePath } from "@varve/bytes";
import type { KeyComponent } from "@varve/cache";
import { createRedactor, type Redactor, VarveError } from "@varve/errors";
import { type FileTree, resolvePath } from "@varve/layer";
import type { RunVertex, VertexID } from "@varve/plan";
import type { RunMountSource } from "@varve/snapshot";
import { openResult, type StepScope, type VertexResult } from "../step/execution.ts";
import { selectContent } from "../step/selected-content.ts";
import { type MountOptions, mountOptions } from "./mount-options.ts";
import { readSecret, secretParts, sshSocket } from "./secrets.ts";

/** The mounts of a RUN: what they do to its key, and what the runner is given when it misses. */
export interface PreparedMounts {
  readonly components: readonly KeyComponent[];
  open(): Promise<OpenedMounts>;
}

/** Mounts ready for the runner. */
export interface OpenedMounts {
  readonly sources: readonly RunMountSource[];
  /** Variables whose values are secrets. */
  readonly env: ReadonlyMap<string, string>;
  /** Knows the values of all secrets of the step. */
  readonly redactor: Redactor;
}

/** Checks the mounts of a step and digests what they show to it. Caches, secrets and agents are not part of the key. */
export async function prepareMounts(scope: StepScope, vertex: RunVertex, inputs: ReadonlyMap<VertexID, VertexResult>): Promise<PreparedMounts> {
  let agents = 0;
  const mounts = vertex.mounts.map((mount) => mountOptions(mount, mount.fields["type"] === "ssh" ? agents++ : 0));
  const components: KeyComponent[] = [];
  for (const [at, mount] of mounts.entries()) {
    components.push({ name: `mount ${at + 1}`, value: describe(mount) });
    if (mount.type === "bind") components.push({ name: `mount ${at + 1} content`, value: await contentDigest(scope, mount, inputs) });
  }
  for (const pipe of vertex.pipes) components.push({ name: `heredoc ${pipe.name}`, value: pipe.content });
  return { components, open: () => openMounts(scope, vertex, mounts, inputs) };
}

/** All that matters of a mount but for contents; ids of secrets and caches are names, not values. */
function describe(mount: MountOptions): string {
  return JSON.stringify("from" in mount ? { ...mount, from: undefined } : mount);
}

async function contentDigest(scope: StepScope, mount: Extract<MountOptions, { type: "bind" }>, inputs: ReadonlyMap<VertexID, VertexResult>): Promise<string> {
  const { digest } = selectContent(scope, inputOf(mount.from, inputs), mount.source, { parents: false, exclude: [], owner: true, literal: true });
  return digest();
}

async function openMounts(
  scope: StepScope,
  vertex: RunVertex,
  mounts: readonly MountOptions[],
  inputs: ReadonlyMap<VertexID, VertexResult>,
): Promise<OpenedMounts> {
  const sources: RunMountSource[] = [];
  const env = new Map<string, string>();
  const redactor = createRedactor();
  for (const mount of mounts) {
    const source = await openMount(scope, mount, inputs, { env, redactor });
    if (source !== undefined) sources.push(source);
  }
  for (const { name, content } of vertex.pipes) {
    sources.push({ kind: "file", target: `/dev/pipes/${name}`, content: new TextEncoder().encode(content), mode: 0o755, uid: 0, gid: 0 });
  }
  return { sources, env, redactor };
}

async function openMount(
  scope: StepScope,
  mount: MountOptions,
  inputs: ReadonlyMap<VertexID, VertexResult>,
  { env, redactor }: { readonly env: Map<string, string>; readonly redactor: Redactor },
): Promise<RunMountSource | undefined> {
  const { options } = scope.execution;
  switch (mount.type) {
    case "bind": {
      const { tree, reader } = await openResult(scope, inputOf(mount.from, inputs));
      requireSource(tree, mount.source);
      return { kind: "bind", target: mount.target, readonly: mount.readonly, tree, reader, source: mount.source };
    }
    case "cache": {
      const { type: _type, from, source, id: written, ...others } = mount;
      const { cacheNamespace } = scope.execution.builderArgs;
      const rest = { ...others, id: cacheNamespace === "" ? written : `${cacheNamespace}/${written}` };
      if (from === undefined) return { kind: "cache", ...rest };
      const { tree, reader } = await openResult(scope, inputOf(from, inputs));
      requireSource(tree, source);
      return { kind: "cache", ...rest, from: { tree, reader, source } };
    }
    case "tmpfs":
      return { kind: "tmpfs", target: mount.target, ...(mount.size === undefined ? {} : { size: mount.size }) };
    case "secret": {
      const value = await readSecret(options, mount.id, scope.io);
      if (value === undefined) {
        if (mount.required)
          throw new VarveError("BUILD_SECRET_MISSING", `secret ${mount.id} is required but was not given`, { hint: `add --secret id=${mount.id},src=FILE` });
        return undefined;
      }
      const text = new TextDecoder().decode(value);
      for (const part of secretParts(text)) redactor.add(part);
      if (mount.env !== undefined) env.set(mount.env, text);
      if (mount.target === undefined) return undefined;
      return { kind: "file", target: mount.target, content: value, mode: mount.mode, uid: mount.uid, gid: mount.gid };
    }
    case "ssh": {
      const agentSocket = sshSocket(options, mount.id);
      if (agentSocket === undefined) {
        if (mount.required)
          throw new VarveError("BUILD_SECRET_MISSING", `ssh agent ${mount.id} is required but was not given`, { hint: `add --ssh ${mount.id}` });
        return undefined;
      }
      env.set("SSH_AUTH_SOCK", mount.target);
      return { kind: "ssh", target: mount.target, agentSocket, mode: mount.mode, uid: mount.uid, gid: mount.gid };
    }
  }
}

function requireSource(tree: FileTree, source: string): void {
  if (resolvePath(tree, toBytePath(source.slice(1)), { followLast: true }).entry !== undefined) return;
  throw new VarveError("BUILD_COPY_SOURCE_NOT_FOUND", `the mount's source ${JSON.stringify(source)} does not exist`, {
    hint: "check the path, and .dockerignore when it is from the build context",
  });
}

function inputOf(from: VertexID | undefined, inputs: ReadonlyMap<VertexID, VertexResult>): VertexResult {
  const result = from === undefined ? undefined : inputs.get(from);
  if (result === undefined) throw new TypeError(`a mount's source ${String(from)} is no input of its step`);
  return result;
}
