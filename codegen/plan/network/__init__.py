"""Spec -> Plan for networks of plain layers: one file a kind of layer."""
