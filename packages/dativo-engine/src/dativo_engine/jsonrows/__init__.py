"""JSON values into Arrow batches, in bulk: what files of JSON and answers of APIs share."""
