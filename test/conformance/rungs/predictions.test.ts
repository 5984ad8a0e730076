import { describePredictions } from "./describe-rungs.ts";

describePredictions();
