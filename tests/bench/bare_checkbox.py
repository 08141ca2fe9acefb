"""The least that a tick can cost: one Streamlit checkbox whose change is one SQLite commit, then shown."""

import sqlite3
import sys

import streamlit as st


@st.cache_resource
def database() -> sqlite3.Connection:
    connection = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS ticks (id INTEGER PRIMARY KEY, done INTEGER)")
    return connection


def save() -> None:
    with database() as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO ticks (done) VALUES (?)", [int(st.session_state["box"])])
        connection.execute("COMMIT")


st.checkbox("Bare", key="box", on_change=save)
count = database().execute("SELECT count(*) FROM ticks").fetchone()[0]
st.caption(f"saved {count}")
