"""What we know of Cilium: releases, probes, parsers, maps and features."""
