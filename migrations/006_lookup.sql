-- What each request asks costs the same among many users as among few.
CREATE INDEX library_owner ON library (owner_id);
