CREATE FUNCTION list_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE track SET listed_in = CASE WHEN NEW.missing_ms IS NULL AND NEW.trashed_ms IS NULL THEN NEW.library_id END
    WHERE item_id = NEW.id;
    UPDATE track_genre SET listed_in = (SELECT t.listed_in FROM track t WHERE t.item_id = NEW.id) WHERE item_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER item_listed AFTER UPDATE OF library_id, missing_ms, trashed_ms ON item FOR EACH ROW
WHEN (NEW.kind = 1 AND (NEW.library_id, NEW.missing_ms, NEW.trashed_ms)
      IS DISTINCT FROM (OLD.library_id, OLD.missing_ms, OLD.trashed_ms))
EXECUTE FUNCTION list_item();
