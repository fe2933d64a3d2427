drop index log.events_open_books;
