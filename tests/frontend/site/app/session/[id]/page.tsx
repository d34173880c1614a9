import { requireLearner } from "../../../learner";
import { Results } from "./results";

export default async function SessionPage({ params }: { params: Promise<{ id: string }> }) {
  await requireLearner();
  return <Results id={(await params).id} />;
}
