"""The live source: scheduler, probes, log intake."""
