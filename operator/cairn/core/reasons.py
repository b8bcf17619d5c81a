"""The reasons of jobs in plain words, for whoever asks why. A reason that is the cluster's own stands for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cairn import names
from cairn.core import outputs

WORDS: Final[Mapping[str, str]] = {
    names.LAUNCHING: "its launch is recorded, and its Kubernetes Job has not been seen yet",
    names.LAUNCH_REFUSED: "the API server refuses its Kubernetes Job (quota, admission, rights), and is asked again",
    names.LAUNCH_REJECTED: "the API server found its Kubernetes Job wrong: mend the pod template",
    names.HELD: "it was created suspended and has not started: a resume lets it go",
    names.ON_HOLD: "it is named in spec.hold: take it out there",
    names.STOPPING: "it is being stopped, and has its grace period to end",
    names.STOPPED: "its attempt was stopped on purpose, which costs no retry",
    names.WAITING: "its pod, or its container, is not there yet",
    names.UNSCHEDULABLE: "no node takes its pod",
    names.SUSPENDED: "something other than Cairn suspended its Kubernetes Job",
    names.NODE_UNREACHABLE: "its node does not answer, and whether it still runs there cannot be known",
    names.READING_OUTPUTS: "its pod has succeeded, and its outputs are being read from the log",
    names.AWAITING_CHECKPOINT: "it is critical, and the checkpoint before it is not Ready yet",
    names.ERROR: "its container exited with an error",
    names.TIMEOUT: "it ran longer than its timeoutSeconds",
    names.POD_DELETED: "its pod was deleted",
    names.JOB_DELETED: "its Kubernetes Job was deleted",
    names.JOB_FAILED_WITHOUT_POD: "its Kubernetes Job failed before there was a pod",
    names.SECOND_POD: "a second pod appeared under its Kubernetes Job, so that it was stopped",
    names.NAME_TAKEN: "a Kubernetes Job of that name belongs to something else: delete it, then retry",
    names.RESULT_LOST: "it succeeded, but pod and log were gone before its outputs were read, and a job needs them",
    names.INPUT_LOST: "the outputs of a dependency are gone or damaged",
    names.CONDITION_FAILED: "its condition `when` could not be judged",
    names.CONDITION_FALSE: "its condition `when` was false",
    names.TEMPLATE_FAILED: "a reference in its definition has no value",
    names.DEPENDENCY_FAILED: "something that it depends on failed, or was not run because of a failure",
    names.DEPENDENCY_SKIPPED: "something that it depends on was skipped",
    names.NOTHING_FAILED: "it runs only after a failure (runOn: Failure), and nothing that it depends on failed",
    names.REMOVED: "it was taken out of spec.jobs",
    names.EXECUTION_FAILING: "another job failed, and failurePolicy: Stop lets nothing more start",
    names.COMPLETED_BY_HAND: "a request marked it as completed",
    names.SKIPPED_BY_HAND: "a request skipped it",
    names.CANCELLED: "the execution was cancelled",
    names.TIMED_OUT: "the execution ran longer than its timeoutSeconds",
    outputs.INVALID: "its outputs cannot be taken",
    outputs.TOO_LARGE: "its outputs are too large",
}


def said(reason: str, message: str = "") -> str:
    """A reason in a sentence with what is told besides; empty for none."""
    if not reason:
        return message
    words = f"{WORDS[reason]} ({reason})" if reason in WORDS else reason
    return f"{words}: {message}" if message else words
