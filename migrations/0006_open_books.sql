-- Which books are open is asked every moment by the engine that owns them; few events of many millions say it.
-- depends: 0001_event_log
create index events_open_books on log.events (position) where topic = 'book.opened.v1';
