"""When the next sign is due: interval, cron or OnCalendar. Pure: `next_due(schedule, after)`."""
