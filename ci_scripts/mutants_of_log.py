"""Small breaks of the prediction log, its reading and its replay: each must turn a test red."""

from __future__ import annotations

from ci_scripts.mutants import inside

CLOSING = "tests/unit/monitoring/test_closing.py"
COMMAND = "tests/integration/delivery/test_log.py"
REPLAY = "tests/integration/delivery/test_replay.py"
REPLAYED = "tests/unit/monitoring/test_replayed.py"
RETENTION = "tests/integration/serving/test_retention.py"
BUCKET = "tests/integration/monitoring/test_bucket.py"
ANY = f"{CLOSING}::test_any_split_and_any_crash_give_the_same_records"

LOG = (
    inside(
        "formats/log_files.py",
        "log: parts that lie in Parquet are read once more",
        "if held is not None and closed(held[0]) in known}",
        "if held is not None and closed(held[0]) in ()}",
        ANY,
    ),
    inside(
        "monitoring/closing.py",
        "log: parts are deleted before the Parquet file has its name",
        "    temporary.rename(folder / log_files.closed(ident))\n    _flush(folder)\n    for part in parts:\n"
        '        _step("delete")\n        _remove(folder, part.path.name)\n',
        '    for part in parts:\n        _step("delete")\n        part.path.unlink()\n'
        "    temporary.rename(folder / log_files.closed(ident))\n    _flush(folder)\n",
        ANY,
    ),
    inside(
        "monitoring/closing.py",
        "log: what a writer still added to a closed part is lost",
        "if path.stat().st_size > known.size:",
        "if False:",
        f"{CLOSING}::test_a_writer_that_had_the_file_open_loses_nothing",
    ),
    inside(
        "monitoring/closing.py",
        "log: a later piece is written by the first one's columns",
        "                    if not _fits(kinds.plan([seen]), held):\n",
        "                    if False:\n",
        f"{CLOSING}::test_two_contracts_in_a_day_are_joined",
    ),
    inside(
        "monitoring/closing.py",
        "log: broken lines are thrown away",
        "    if broken.count:\n",
        "    if False:\n",
        f"{CLOSING}::test_lines_that_are_no_records_are_kept_beside_and_counted",
    ),
    inside(
        "monitoring/closing.py",
        "log: a day is closed while its last answers arrive",
        "if now >= end + GRACE:",
        "if now >= end:",
        f"{CLOSING}::test_the_last_answers_of_a_day_have_time_to_arrive",
    ),
    inside(
        "monitoring/kinds.py",
        "log: a large whole number becomes a float that is another one",
        'return {"int"} if largest <= EXACT_INT else {"long"}',
        'return {"int"}',
        f"{CLOSING}::test_values_of_several_types_stay_what_they_are",
    ),
    inside(
        "monitoring/kinds.py",
        "log: the names of an output change places",
        "elif kind.fields and all(_within(order, list(kind.fields)) for order in kind.orders):",
        "elif kind.fields:",
        f"{CLOSING}::test_an_output_can_be_written_again_letter_by_letter",
    ),
    inside(
        "monitoring/kinds.py",
        "log: a whole number in an output becomes a float",
        "if found is None and kind.scalars == _NUMBER and not kind.exact:",
        "if found is None and kind.scalars == _NUMBER:",
        f"{CLOSING}::test_an_output_can_be_written_again_letter_by_letter",
    ),
    inside(
        "monitoring/parts.py",
        "log: a part that was closed since it was listed is lost",
        "                if moved is None:\n                    raise\n",
        "                raise\n",
        f"{CLOSING}::test_a_reader_that_listed_before_a_day_was_closed_reads_each_record_once",
    ),
    inside(
        "monitoring/closing.py",
        "log: of a closed day all parts are read instead of one",
        "    return found.groups\n",
        "    return range(groups)\n",
        f"{CLOSING}::test_a_reader_that_listed_before_a_day_was_closed_reads_each_record_once",
    ),
    inside(
        "monitoring/records.py",
        "log: the monitor takes texts of a closed day for missing values",
        "            good.append(found)\n    return Piece(day=day, table=pa.Table.from_pylist(good, schema=shape), "
        "wrong=dict(wrong))\n\n\ndef _asked",
        "            good.append(found)\n    return Piece(day=day, table=pa.Table.from_pylist(good, schema=shape))"
        "\n\n\ndef _asked",
        f"{CLOSING}::test_the_monitor_counts_the_same_after_closing",
    ),
    inside(
        "serving/retention.py",
        "log: today is deleted",
        "        if day >= today:\n            break\n",
        "",
        f"{RETENTION}::test_today_stays_whatever_it_weighs",
    ),
    inside(
        "serving/retention.py",
        "log: a day is deleted while it is closed",
        "        except BlockingIOError:\n            return []\n",
        "        except BlockingIOError:\n            pass\n",
        f"{RETENTION}::test_nothing_is_deleted_while_days_are_closed",
    ),
    inside(
        "serving/prediction_log.py",
        "log: the service ends while its log is being written",
        "                if lost := await writing:\n",
        "                if lost := 0:\n",
        "tests/integration/serving/test_prediction_log.py::test_the_end_waits_for_a_write_that_has_begun",
    ),
    inside(
        "serving/prediction_log.py",
        "log: all rows of a batch with one fallback are logged as fallbacks",
        '"route": "fallback" if row.fell_back else route,',
        '"route": "fallback" if any(one.fell_back for one in answers) else route,',
        f"{REPLAY}::test_the_releases_that_answered_answer_the_same_bytes",
    ),
    inside(
        "monitoring/asked.py",
        "replay: rows of a batch are asked one by one",
        "    return same and _place(record) > _place(former)\n",
        "    return False\n",
        f"{REPLAYED}::test_rows_of_a_request_stay_together",
    ),
    inside(
        "monitoring/replayed.py",
        "replay: outputs that are nearly the same are the same",
        "        same = (row.output, row.imputed, row.fell_back) == (\n            again.output,\n",
        "        same = (row.output[:30], row.imputed, row.fell_back) == (\n            (again.output or '')[:30],\n",
        f"{REPLAYED}::test_the_last_digit_counts",
    ),
    inside(
        "monitoring/replayed.py",
        "replay: any ten rows stand for the most different ones",
        "    elif item[:-1] > heap[0][:-1]:\n",
        "    elif False:\n",
        f"{REPLAYED}::test_the_most_different_and_the_first_rows_are_shown_in_any_order",
    ),
    inside(
        "delivery/replay.py",
        "replay: a difference is no failure",
        "    if options.model is None and found.counted.differing:\n        return 1\n",
        "",
        f"{REPLAY}::test_a_row_that_is_answered_otherwise_is_shown",
    ),
    inside(
        "delivery/log.py",
        "log: what is wrong with closing keeps the agent from deploying",
        "        with contextlib.suppress(GitopsError, OSError):\n",
        "        with contextlib.suppress(OSError):\n",
        f"{COMMAND}::test_the_agent_starts_it_once_an_hour",
    ),
    inside(
        "monitoring/storage.py",
        "bucket: an upload that broke off is completed",
        "        background_writes=True,\n",
        "        background_writes=False,\n",
        f"{BUCKET}::test_an_upload_that_breaks_off_is_no_object",
    ),
    inside(
        "monitoring/sending.py",
        "bucket: what Ctrl+C broke off stays there",
        "            files.delete_file(target)\n",
        "",
        f"{BUCKET}::test_ctrl_c_in_an_upload_leaves_nothing_there",
    ),
    inside(
        "monitoring/sending.py",
        "bucket: a file of the right size is taken for the file",
        "!= size or _sha256(files, target) != digest:",
        "!= size:",
        f"{BUCKET}::test_what_a_killed_run_left_there_is_no_harm",
    ),
    inside(
        "monitoring/sending.py",
        "bucket: a file goes that was not read back",
        "        if _sha256(files, target) != digest:\n            raise",
        "        if False:\n            raise",
        f"{BUCKET}::test_bytes_that_do_not_come_back_are_not_deleted_here",
    ),
    inside(
        "monitoring/storage.py",
        "bucket: one that does not exist is an empty log",
        "    if not there:\n",
        "    if False:\n",
        f"{BUCKET}::test_each_failure_is_one_sentence_and_changes_nothing",
    ),
    inside(
        "monitoring/parts.py",
        "bucket: a file in both places counts where it goes",
        "found.setdefault(path, part)",
        "found[path] = part",
        f"{BUCKET}::test_what_a_killed_run_left_there_is_no_harm",
    ),
    inside(
        "monitoring/parts.py",
        "bucket: what moved since it was listed is lost",
        "            if one == name and there.place != held.place:\n",
        "            if False:\n",
        f"{BUCKET}::test_what_moves_after_it_was_listed_is_read_where_it_went",
    ),
    inside(
        "monitoring/records.py",
        "bucket: a server that breaks off is a gap in the log",
        "        if storage.is_away(error):\n            raise\n        broken.add(f",
        "        broken.add(f",
        f"{BUCKET}::test_a_server_that_breaks_off_in_the_middle_is_no_gap_in_the_log",
    ),
    inside(
        "monitoring/parts.py",
        "bucket: a day costs a request for each 64 kB",
        "buffer_size=0 if away else 1 << 16, pre_buffer=away)",
        "buffer_size=1 << 16, pre_buffer=False)",
        f"{BUCKET}::test_only_the_days_and_columns_that_are_asked_for_are_fetched",
    ),
    inside(
        "delivery/compare.py",
        "bucket: compare looks into the folder alone",
        "service.log_places(Path(), options.log or settings.log)",
        "(service.log_folder(Path()),)",
        "tests/integration/monitoring/test_compare_in_a_bucket.py",
    ),
)
