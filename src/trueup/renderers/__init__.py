"""Family 1: files of an application -> manifests. The members keep ``RendererKind`` and never know each other."""
