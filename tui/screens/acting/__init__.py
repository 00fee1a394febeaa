"""Acting on the cluster: arming, the menu of actions, previews, progress and the audit."""
