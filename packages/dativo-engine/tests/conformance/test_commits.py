"""The committer of this package, over the embedded catalogue, keeps the specification."""

from dativo_engine.testing import CommitConformance, StateConformance


class TestEmbeddedCatalogue(CommitConformance):
    pass


class TestMirror(StateConformance):
    pass
