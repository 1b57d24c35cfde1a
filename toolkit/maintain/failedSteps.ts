/** The metric of a run in CloudWatch: how many of its steps failed. That it is there shows that a run has ended. */
export const failedSteps = "MaintenanceFailedSteps";
