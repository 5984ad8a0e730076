export type { Image, ImageLayer } from "./image.ts";
