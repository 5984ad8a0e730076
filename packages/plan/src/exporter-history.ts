import type { PlannedHistory, Vertex, VertexID } from "./plan.ts";
import type { StageState } from "./stage-state.ts";

/** BuildKit's mark on what its image exporter adds. */
const COMMENT = "buildkit.exporter.image.v0";

/**
 * A stage's history as BuildKit's exporter completes it (normalizeLayersAndHistory in exporter/containerimage/writer.go): the files of a context that
 * a stage starts from are a layer that no instruction tells of; entries go with layers by their order, and what is missing is told of the *last* layers,
 * in the words of its cache.
 */
export function exporterHistory(
  { layers, history }: StageState,
  vertices: readonly Vertex[],
  namedContexts: Readonly<Record<string, string>>,
): readonly PlannedHistory[] {
  const told = history.filter(({ vertex }) => vertex !== undefined).length;
  if (told === layers.length) return history;
  const known = new Map<VertexID, Vertex>(vertices.map((vertex) => [vertex.id, vertex]));
  const added = layers.slice(told).map((id) => {
    const vertex = known.get(id);
    const first = vertex?.kind === "copy" && id.endsWith("/context") ? known.get(vertex.from) : undefined;
    const words = first?.kind === "context" ? contextWords(first.name, namedContexts[first.name] ?? "") : layerWords(vertex);
    return { entry: { created_by: words, comment: COMMENT }, vertex: id };
  });
  const waiting = [...layers];
  return [...history, ...added].map((line) => (line.vertex === undefined ? line : { ...line, vertex: waiting.shift() ?? line.vertex }));
}

function layerWords(vertex: Vertex | undefined): string {
  return vertex?.kind === "run" ? `mount / from exec ${vertex.args.join(" ")}` : "fileop target";
}

function contextWords(name: string, source: string): string {
  if (!/^https?:\/\//.test(source)) return `local source for ${name}`;
  const url = new URL(source);
  // a password is no part of an image
  url.username = "";
  url.password = "";
  return `http url ${url.href}`;
}
