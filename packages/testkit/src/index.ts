export { describeBlob, inPieces } from "./blob.ts";
export { type BlobStore, type BlobStoreUnderTest, describeBlobStore } from "./blob-store-contract.ts";
export { bundleChildProgram, type ChildProgram, type ChildProgramEnd, type ChildProgramRun, startNode } from "./child-program.ts";
export { PLAIN_TAR_HEADER } from "./plain-tar-header.ts";
export { describeWithTools, findTool, hasTool } from "./tools.ts";
