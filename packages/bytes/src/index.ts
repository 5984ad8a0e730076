export {
  baseName,
  type BytePath,
  bytePathFromBytes,
  bytePathToBytes,
  cleanPath,
  compareBytes,
  comparePaths,
  displayPath,
  joinPath,
  parentPath,
  pathComponents,
  ROOT,
  toBytePath,
} from "./byte-path.ts";
export { giveRoom, ownRoom, takeRoom } from "./byte-room.ts";
export { type ByteStream, collectBytes, concatBytes, peekBytes, type PeekedStream, streamOf } from "./byte-stream.ts";
