"""Family 2: places where applications run. Members keep one promise (``model.contracts.Runtime``) and never know each other."""
