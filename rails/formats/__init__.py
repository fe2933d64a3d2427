"""Files that banks send and take: readers that trust nothing, writers that are held to the message's schema."""
