import { describeRungs } from "./describe-rungs.ts";

describeRungs("core");
