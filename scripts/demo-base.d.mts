/** Fills `root` with bin, lib, etc and tmp; returns the number of files. */
export function makeBaseRoot(root: string): number;
