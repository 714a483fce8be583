"""The parts of the Modal app. ``adapters.modal_app`` declares it; nothing here needs the cloud."""
