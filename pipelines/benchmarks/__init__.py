"""Speed, as ratios within one run. Their figures stand in results/ with command, versions, hardware and date."""
