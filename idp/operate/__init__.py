"""What the operator of the identity provider sees and does: status, maintenance."""
