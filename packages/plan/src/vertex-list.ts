import type { SourceRange } from "@varve/errors";
import { formatPlatform, type Platform } from "@varve/oci";
import type { Plan, Vertex, VertexID } from "./plan.ts";

/** The vertices of a plan being made, inputs before users. */
export interface VertexList {
  /** Adds a vertex; one whose id is there already is dropped. */
  add(vertex: Vertex): VertexID;
  scratch(): VertexID;
  context(name: string): VertexID;
  /** `title` and `range` count only for the first mention of an image. */
  image(reference: string, platform: Platform, mention: { readonly title?: string; readonly range: SourceRange }): VertexID;
  /** What `result` needs, in order of addition. */
  needed(result: VertexID): readonly Vertex[];
}

/** Creates an empty {@link VertexList}. */
export function createVertexList(): VertexList {
  const vertices = new Map<VertexID, Vertex>();
  const add = (vertex: Vertex): VertexID => {
    if (!vertices.has(vertex.id)) vertices.set(vertex.id, vertex);
    return vertex.id;
  };
  return {
    add,
    scratch: () => add({ id: "scratch", kind: "scratch", title: "FROM scratch" }),
    context: (name) => add({ id: `context:${name}`, kind: "context", name, title: name === "" ? "[internal] load build context" : `[context ${name}] load` }),
    image: (reference, platform, { title = `FROM ${reference}`, range }) =>
      add({ id: `image:${reference} ${formatPlatform(platform)}`, kind: "image", reference, platform, title, range }),
    needed(result) {
      const wanted = new Set<VertexID>();
      const queue = [result];
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
        if (wanted.has(id)) continue;
        wanted.add(id);
        const vertex = vertices.get(id);
        if (vertex !== undefined) queue.push(...inputsOf(vertex));
      }
      return [...vertices.values()].filter(({ id }) => wanted.has(id));
    },
  };
}

/** The vertices one vertex reads: the parent first. */
export function inputsOf(vertex: Plan["vertices"][number]): readonly VertexID[] {
  switch (vertex.kind) {
    case "copy":
    case "add":
      return [vertex.parent, vertex.from];
    case "workdir":
      return [vertex.parent];
    case "run":
      return [vertex.parent, ...vertex.mounts.flatMap(({ from }) => from ?? [])];
    case "image":
    case "scratch":
    case "context":
      return [];
  }
}
