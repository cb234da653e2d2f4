CREATE TRIGGER item_listed AFTER UPDATE OF library_id, missing_ms, trashed_ms ON item
WHEN NEW.kind = 1 AND (NEW.library_id IS NOT OLD.library_id OR NEW.missing_ms IS NOT OLD.missing_ms
                       OR NEW.trashed_ms IS NOT OLD.trashed_ms)
BEGIN
    UPDATE track SET listed_in = CASE WHEN NEW.missing_ms IS NULL AND NEW.trashed_ms IS NULL THEN NEW.library_id END
    WHERE item_id = NEW.id;
    UPDATE track_genre SET listed_in = (SELECT t.listed_in FROM track t WHERE t.item_id = NEW.id) WHERE item_id = NEW.id;
END;
