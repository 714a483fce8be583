"""The door to AWS SageMaker: a container that answers ``/ping`` and ``/invocations``."""
